import { Check, Minus } from 'lucide-react'
import type { ReactNode } from 'react'
import { Checkbox as AriaCheckbox, type CheckboxProps as AriaCheckboxProps } from 'react-aria-components'
import styles from './checkbox.module.css'
import { classes } from './controls.js'

export interface CheckboxProps extends Omit<AriaCheckboxProps, 'children' | 'className'> {
  className?: string | undefined
  children?: ReactNode
}

export function Checkbox({ children, className, ...props }: CheckboxProps) {
  return (
    <AriaCheckbox {...props} className={classes(styles.checkbox, className)}>
      {({ isIndeterminate }) => (
        <>
          <span className={styles.box}>
            {isIndeterminate ? <Minus size={13} aria-hidden /> : <Check size={13} aria-hidden />}
          </span>
          {children}
        </>
      )}
    </AriaCheckbox>
  )
}
