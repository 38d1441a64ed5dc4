import { type Command, CommanderError } from 'commander'

/** An empty text comes from a variable that is not set: it means neither the root of a workspace, nor the current directory, nor no name. */
export function refuseEmpty(command: Command): void {
  const given = [
    ...command.registeredArguments.map((argument, i) => [argument.name(), command.processedArgs[i]]),
    ...command.options.map((option) => [
      option.long ?? option.flags,
      command.getOptionValue(option.attributeName()),
    ]),
  ]
  const empty = given.find(([, value]) => [value].flat().includes(''))
  if (empty !== undefined) throw new CommanderError(2, 'usage', `${empty[0]} is empty`)
}
