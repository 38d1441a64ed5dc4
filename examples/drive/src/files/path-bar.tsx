import { ChevronRight, Ellipsis } from 'lucide-react'
import { Breadcrumb, Breadcrumbs, Link, Menu, MenuItem, MenuTrigger } from 'react-aria-components'
import { classes, controlStyles, IconButton, Popover } from '../app/controls.js'
import { formatRoute } from '../app/route.js'
import { ItemName } from './item-name.js'
import styles from './path-bar.module.css'

interface Crumb {
  path: string
  name: string
}

export interface PathBarProps {
  workspace: string
  /** Of the workspace. */
  name: string
  path: string
  /** Folders that are shown beside the present one; those between go into a menu. */
  shown: number
}

/** Where one is, and the way back up. */
export function PathBar({ workspace, name, path, shown }: PathBarProps) {
  const crumbs = crumbsOf(name, path)
  const hidden = crumbs.length > shown + 1 ? crumbs.slice(1, crumbs.length - shown) : []
  const visible = hidden.length === 0 ? crumbs : [crumbs[0] as Crumb, ...crumbs.slice(crumbs.length - shown)]
  const hrefOf = (crumb: Crumb) => formatRoute({ workspace, path: crumb.path })
  return (
    <nav aria-label="Folder" className={styles.nav}>
      <Breadcrumbs className={styles.crumbs}>
        {visible.map((crumb, index) => (
          <Breadcrumb
            key={crumb.path}
            id={crumb.path === '' ? '/' : crumb.path}
            className={classes(styles.crumb, index === visible.length - 1 && styles.present)}
          >
            {index > 0 && <ChevronRight size={15} aria-hidden className={styles.arrow} />}
            {index === 1 && hidden.length > 0 && (
              <>
                <HiddenCrumbs crumbs={hidden} hrefOf={hrefOf} />
                <ChevronRight size={15} aria-hidden className={styles.arrow} />
              </>
            )}
            <Link href={hrefOf(crumb)} className={styles.link}>
              <ItemName name={crumb.name} />
            </Link>
          </Breadcrumb>
        ))}
      </Breadcrumbs>
    </nav>
  )
}

function HiddenCrumbs({ crumbs, hrefOf }: { crumbs: readonly Crumb[]; hrefOf: (crumb: Crumb) => string }) {
  return (
    <MenuTrigger>
      <IconButton label="Folders between">
        <Ellipsis size={16} aria-hidden />
      </IconButton>
      <Popover className={controlStyles.popover}>
        <Menu className={controlStyles.menu}>
          {crumbs.map((crumb) => (
            <MenuItem
              key={crumb.path}
              id={crumb.path}
              href={hrefOf(crumb)}
              className={controlStyles.menuItem}
            >
              {crumb.name}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  )
}

function crumbsOf(workspace: string, path: string): Crumb[] {
  const names = path === '' ? [] : path.split('/')
  return [
    { path: '', name: workspace },
    ...names.map((name, index) => ({ path: names.slice(0, index + 1).join('/'), name })),
  ]
}
