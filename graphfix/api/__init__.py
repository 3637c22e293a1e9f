"""The public functions; `import graphfix` has them all.

Each does one job on what a user names and answers with a result that can be printed, shown in a
notebook, or turned into JSON.  The command line is a thin layer over them.  Errors are
`RequestError` (change what you asked for), `SourceError` (change the file) or `VerificationError`
(what was written is not what was meant; nothing was published), all of them `GraphfixError`: each
has `problems`, with a subject, a message and a remedy.  An argument of a wrong type or value is a
RequestError, too.
"""
