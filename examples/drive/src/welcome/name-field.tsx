import { TextField } from '../app/controls.js'

export interface NameFieldProps {
  value: string
  onChange: (name: string) => void
  isDisabled: boolean
}

export function NameField(props: NameFieldProps) {
  return (
    <TextField
      {...props}
      label="Name of this browser"
      description="Your other devices show it under this name."
      maxLength={60}
      isRequired
    />
  )
}
