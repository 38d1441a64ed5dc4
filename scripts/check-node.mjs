// Imported before anything else, so it uses nothing that an old Node cannot parse.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Peerfold needs Node 20.19 or newer; this is ${process.versions.node}. See https://nodejs.org.`,
  )
  process.exit(1)
}
