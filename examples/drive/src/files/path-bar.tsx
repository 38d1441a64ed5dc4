import { ChevronRight, Ellipsis } from 'lucide-react'
import { Breadcrumb, Breadcrumbs, Menu, MenuItem, MenuTrigger } from 'react-aria-components'
import { classes, controlStyles, IconButton, Popover } from '../app/controls.js'
import { formatRoute } from '../app/route.js'
import { type Crumb, FolderCrumb, type FolderDrops } from './folder-crumb.js'
import styles from './path-bar.module.css'

/** Folders at the end of a long path that are shown. */
const SHOWN = 3

export interface PathBarProps {
  workspace: string
  /** Of the workspace. */
  name: string
  path: string
  /** Only the present folder is shown; those around it are in a menu. */
  narrow: boolean
  drops: FolderDrops
}

/** Where one is, and the way back up. */
export function PathBar({ workspace, name, path, narrow, drops }: PathBarProps) {
  const crumbs = crumbsOf(name, path)
  // The root and the last few are always there, as far as there is room.
  const from = narrow ? 0 : 1
  const hidden = crumbs.slice(from, Math.max(from, crumbs.length - (narrow ? 1 : SHOWN)))
  const visible = crumbs.filter((crumb) => !hidden.includes(crumb))
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
            {index === from && hidden.length > 0 && (
              <>
                <HiddenCrumbs crumbs={hidden} hrefOf={hrefOf} />
                <ChevronRight size={15} aria-hidden className={styles.arrow} />
              </>
            )}
            <FolderCrumb
              crumb={crumb}
              href={hrefOf(crumb)}
              present={crumb.path === path}
              workspace={workspace}
              drops={drops}
            />
          </Breadcrumb>
        ))}
      </Breadcrumbs>
    </nav>
  )
}

function HiddenCrumbs({ crumbs, hrefOf }: { crumbs: readonly Crumb[]; hrefOf: (crumb: Crumb) => string }) {
  return (
    <MenuTrigger>
      <IconButton label="Folders around">
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
