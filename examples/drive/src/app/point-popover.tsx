import { type ReactNode, useRef } from 'react'
import { Popover, type PopoverProps } from 'react-aria-components'

export interface PointPopoverProps extends Pick<PopoverProps, 'className' | 'offset' | 'aria-label'> {
  /** Pixels in the window. */
  point: { x: number; y: number }
  onClose: () => void
  children: ReactNode
}

/** What opens at a point: where a menu was asked for, or below an item. */
export function PointPopover({ point: { x, y }, onClose, children, ...props }: PointPopoverProps) {
  const trigger = useRef<HTMLSpanElement>(null)
  return (
    <>
      <span ref={trigger} style={{ position: 'fixed', left: x, top: y }} />
      <Popover
        {...props}
        triggerRef={trigger}
        isOpen
        onOpenChange={(open) => {
          if (!open) onClose()
        }}
        placement="bottom start"
      >
        {children}
      </Popover>
    </>
  )
}
