interface ImportMetaEnv {
  /** In the service worker of a build: a JSON array of the page's files. */
  readonly ASSETS?: string
  /** In the service worker of a build: names it. */
  readonly BUILD?: string
}
