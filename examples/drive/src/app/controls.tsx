import type { ReactNode } from 'react'
import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
  TextField as AriaTextField,
  type TextFieldProps as AriaTextFieldProps,
  FieldError,
  Input,
  Label,
  Popover,
  ProgressBar,
  Text,
  TextArea,
  Tooltip,
  TooltipTrigger,
} from 'react-aria-components'
import styles from './controls.module.css'

export function classes(...names: Array<string | false | undefined>): string {
  return names.filter(Boolean).join(' ')
}

export interface ButtonProps extends AriaButtonProps {
  look?: 'plain' | 'primary' | 'danger' | 'quiet'
}

export function Button({ look = 'plain', className, ...props }: ButtonProps) {
  const own = typeof className === 'string' ? className : undefined
  return <AriaButton {...props} className={classes(styles.button, look !== 'plain' && styles[look], own)} />
}

export interface IconButtonProps extends AriaButtonProps {
  label: string
}

/** A button of an icon only; what it does is its label and its tooltip. */
export function IconButton({ label, className, ...props }: IconButtonProps) {
  const own = typeof className === 'string' ? className : undefined
  return (
    <TooltipTrigger delay={500} closeDelay={0}>
      <AriaButton {...props} aria-label={label} className={classes(styles.button, styles.icon, own)} />
      <Hint>{label}</Hint>
    </TooltipTrigger>
  )
}

export function Hint({ children }: { children: ReactNode }) {
  return (
    <Tooltip offset={6} className={styles.tooltip}>
      {children}
    </Tooltip>
  )
}

export interface TextFieldProps extends AriaTextFieldProps {
  label: string
  description?: ReactNode
  error?: string
  rows?: number
  mono?: boolean
  placeholder?: string
}

export function TextField({ label, description, error, rows, mono, placeholder, ...props }: TextFieldProps) {
  const look = classes(styles.input, mono && styles.mono, rows !== undefined && styles.area)
  return (
    <AriaTextField {...props} isInvalid={error !== undefined} className={styles.field}>
      <Label className={styles.label}>{label}</Label>
      {rows === undefined ? (
        <Input className={look} placeholder={placeholder} />
      ) : (
        <TextArea className={look} rows={rows} placeholder={placeholder} />
      )}
      {description !== undefined && (
        <Text slot="description" className={styles.description}>
          {description}
        </Text>
      )}
      <FieldError className={styles.fieldError}>{error}</FieldError>
    </AriaTextField>
  )
}

export function Spinner() {
  return <span className={styles.spinner} aria-hidden="true" />
}

/** @param value between 0 and 1; undefined where it is not known how long it takes. */
export function Bar({ label, value }: { label: string; value: number | undefined }) {
  const percentage = value === undefined ? 100 : value * 100
  return (
    <ProgressBar aria-label={label} value={percentage} isIndeterminate={value === undefined}>
      <div className={styles.bar}>
        <div style={{ width: `${percentage}%` }} />
      </div>
    </ProgressBar>
  )
}

export { Popover, styles as controlStyles }
