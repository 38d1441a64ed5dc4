import { ArrowLeft } from 'lucide-react'
import type { ReactNode } from 'react'
import { Form } from 'react-aria-components'
import { Button, IconButton } from '../app/controls.js'
import { Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import type { Task } from '../device/use-task.js'
import styles from './welcome.module.css'

export interface StepProps {
  title: string
  lead: ReactNode
  task: Task<[]>
  /** What is waited for while the task runs. */
  waiting: string
  submit: string
  ready?: boolean
  onBack: () => void
  children?: ReactNode
}

/** One form of the welcome: what it asks, the wait, and what went wrong. */
export function Step({ title, lead, task, waiting, submit, ready = true, onBack, children }: StepProps) {
  return (
    <Form
      className={styles.step}
      onSubmit={(event) => {
        event.preventDefault()
        if (ready && !task.running) void task.run()
      }}
    >
      <div className={styles.stepTitle}>
        <IconButton
          label="Back"
          onPress={() => {
            task.cancel()
            onBack()
          }}
        >
          <ArrowLeft size={18} aria-hidden />
        </IconButton>
        <h2>{title}</h2>
      </div>
      <p className={styles.lead}>{lead}</p>
      {children}
      {task.failure !== undefined && <FailureNotice failure={task.failure} />}
      {task.running ? (
        <Waiting onCancel={task.cancel}>{waiting}</Waiting>
      ) : (
        <Button look="primary" type="submit" isDisabled={!ready} className={styles.submit}>
          {submit}
        </Button>
      )}
    </Form>
  )
}
