"""Runner: a matrix of scripts, unattended.

command     options to exit code
scripts     which scripts, in which order, as frozen copies
preflight   all problems before the first start
worker      processes, and the locks that show them to a later runner
hold        the program that takes such a lock and becomes the script
heat        the temperature of the machine
runner      the loop: slots, ends, stops
slurm       array jobs: their script, submission and state
slurm_runner  the loop with array jobs in the place of slots
table       the studies as a table or JSON, from their logs
"""
