import { ArrowDown, ArrowUp } from 'lucide-react'
import { Button, Group } from 'react-aria-components'
import { classes } from '../app/controls.js'
import { nextSort, type Sort, type SortKey } from './sort.js'
import styles from './sort-header.module.css'

const COLUMNS: ReadonlyArray<{ key: SortKey; label: string }> = [
  { key: 'name', label: 'Name' },
  { key: 'modified', label: 'Modified' },
  { key: 'size', label: 'Size' },
]

/** Above the list: what it is sorted by. */
export function SortHeader({ sort, onSort }: { sort: Sort; onSort: (sort: Sort) => void }) {
  return (
    <Group className={styles.header} aria-label="Sort by">
      {COLUMNS.map(({ key, label }) => {
        const current = sort.key === key
        const Arrow = sort.descending ? ArrowDown : ArrowUp
        return (
          <Button
            key={key}
            className={classes(styles.column, styles[key])}
            aria-label={current ? `${label}, ${sort.descending ? 'descending' : 'ascending'}` : label}
            aria-pressed={current}
            onPress={() => onSort(nextSort(sort, key))}
          >
            {label}
            {current && <Arrow size={13} aria-hidden />}
          </Button>
        )
      })}
    </Group>
  )
}
