/** What the page and the worker that makes thumbnails say to each other. */
export type ThumbnailRequest =
  | { id: number; type: 'get'; key: string }
  /** Draws `source` small, keeps it under `key`. */
  | { id: number; type: 'make'; key: string; source: Blob | ImageBitmap }

/** Without a picture: there is none, or it could not be drawn. */
export interface ThumbnailReply {
  id: number
  picture?: Blob
}

/** Longest side, in pixels: twice what a tile is wide, for dense screens. */
export const MAX_SIDE = 384
