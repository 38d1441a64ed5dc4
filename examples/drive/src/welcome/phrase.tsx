import { Check, Copy, Printer } from 'lucide-react'
import { useState } from 'react'
import { Checkbox } from '../app/checkbox.js'
import { Button } from '../app/controls.js'
import { useCopy } from '../app/use-copy.js'
import styles from './welcome.module.css'

/** The recovery phrase, the only time that it is shown. */
export function Phrase({ phrase, onKept }: { phrase: string; onKept: () => void }) {
  const [kept, setKept] = useState(false)
  const { copied, copy } = useCopy()
  const words = phrase.split(' ')
  return (
    <div className={styles.step}>
      <h2 className={styles.stepTitle}>Your recovery phrase</h2>
      <p className={styles.lead}>
        These 24 words bring your files back when all your devices are lost. They are shown only now and kept
        nowhere. Who has them can read everything.
      </p>
      <ol className={styles.words} aria-label="Recovery phrase" data-testid="recovery-phrase">
        {words.map((word, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a word may come twice, and none moves.
          <li key={index}>
            <span aria-hidden="true">{index + 1}</span>
            {word}
          </li>
        ))}
      </ol>
      <div className={styles.phraseActions}>
        <Button onPress={() => copy(phrase)}>
          {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          {copied ? 'Copied' : 'Copy'}
        </Button>
        <Button onPress={() => print()}>
          <Printer size={16} aria-hidden /> Print
        </Button>
      </div>
      <Checkbox isSelected={kept} onChange={setKept}>
        I have written them down, or keep them in a safe place
      </Checkbox>
      <Button look="primary" isDisabled={!kept} onPress={onKept} className={styles.submit}>
        Continue
      </Button>
    </div>
  )
}
