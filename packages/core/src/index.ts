export type * from './api.js'
export * from './errors.js'
export type { TransferRates } from './exchange/types.js'
export type { ExportLack, ExportOptions, ExportProgress, ExportReport } from './export/types.js'
export type { Explanation, PlannedAction } from './folder/explain.js'
export type { IgnoreRule } from './folder/ignore.js'
export type { ApplyAction, PublishAction } from './folder/plan.js'
export type {
  FolderActivity,
  FolderIssue,
  FolderPlan,
  FolderStatus,
  FolderSync,
  TrashedFile,
} from './folder/types.js'
export type * from './ports/index.js'
export type * from './workspace/types.js'
