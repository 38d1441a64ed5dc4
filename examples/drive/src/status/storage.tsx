import { useCallback, useEffect, useState } from 'react'
import { Button } from '../app/controls.js'
import { formatBytes } from '../app/format.js'
import styles from './panel.module.css'

interface Kept {
  usage: number
  quota: number
  persisted: boolean
}

/** What this browser stores, and whether it promised to keep it. */
export function Storage() {
  const [kept, setKept] = useState<Kept>()
  const look = useCallback(() => {
    void readStorage().then(setKept)
  }, [])
  useEffect(look, [look])
  if (kept === undefined) return null
  return (
    <section className={styles.section} aria-labelledby="status-storage">
      <h3 id="status-storage" className={styles.heading}>
        Storage in this browser
      </h3>
      <dl className={styles.facts}>
        <div>
          <dt>Used</dt>
          <dd>
            {formatBytes(kept.usage)} of {formatBytes(kept.quota)}
          </dd>
        </div>
        <div>
          <dt>Kept</dt>
          <dd>{kept.persisted ? 'Until you clear it' : 'Until the browser needs the space'}</dd>
        </div>
      </dl>
      {!kept.persisted && (
        <div>
          <Button onPress={() => void navigator.storage.persist().then(look)}>
            Ask the browser to keep it
          </Button>
        </div>
      )}
    </section>
  )
}

async function readStorage(): Promise<Kept> {
  const { usage = 0, quota = 0 } = await navigator.storage.estimate()
  return { usage, quota, persisted: await navigator.storage.persisted() }
}
