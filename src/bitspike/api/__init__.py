"""The door: a function for each command, which returns what the command prints. `import bitspike` offers them.

Nothing is imported here, and what a function needs is imported when it is called: a frozen file is costed, run and
exported without torch.
"""
