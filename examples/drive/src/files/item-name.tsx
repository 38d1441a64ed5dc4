import styles from './item-name.module.css'
import { splitForDisplay } from './names.js'

/** A name in one line, cut in the middle where there is no room; the whole of it on hover and to screen readers. */
export function ItemName({ name }: { name: string }) {
  const [head, tail] = splitForDisplay(name)
  return (
    <span className={styles.name} title={name}>
      <span className={styles.head}>{head}</span>
      {tail !== '' && <span className={styles.tail}>{tail}</span>}
    </span>
  )
}
