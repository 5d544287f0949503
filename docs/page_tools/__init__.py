"""The pages of the documentation: what they show is executed or generated.

A block fenced as console or python is executed, page by page, and its output is compared with the
page. A block of YAML whose first line is a comment with a file name is written to that file.

A block between `<!-- generated: SOURCE -->` and `<!-- end generated -->` is rewritten. SOURCE is
`$ COMMAND`, whose output the block shows, or the name of a table in `tables.TABLES`.
"""
