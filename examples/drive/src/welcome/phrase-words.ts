/** The words of a phrase as people type or paste it: numbered, in several lines, with capitals. */
export function phraseWords(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[\s,;]+/)
    .map((word) => word.replace(/^\d+[.)]?/, ''))
    .filter((word) => word !== '')
}
