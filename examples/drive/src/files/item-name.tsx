import styles from './item-name.module.css'
import { splitForDisplay } from './names.js'

/** A name in one line, cut in the middle where there is no room; the whole of it on hover and to screen readers. */
export function ItemName({ name }: { name: string }) {
  const [head, tail] = splitForDisplay(name)
  if (tail === '') {
    return (
      <span className={styles.name} title={name}>
        <span className={styles.head}>{name}</span>
      </span>
    )
  }
  return (
    <span className={styles.name} title={name}>
      <span className={styles.whole}>{name}</span>
      <span className={styles.head} aria-hidden="true">
        {head}
      </span>
      <span className={styles.tail} aria-hidden="true">
        {tail}
      </span>
    </span>
  )
}
