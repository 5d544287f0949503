"""Runner: a matrix of scripts, unattended.

command     the command line and the exit code
script_order  the scripts to run, their order, and their frozen copies
preflight   all problems before the first start
worker      processes, and the locks that show them to a later runner
worker_lock  the program that takes such a lock and becomes the script
stop_and_pause  the files STOP and PAUSE, timeout, and the temperature of the machine
runner      the loop: slots, ends, stops
slurm       array jobs: their script, submission and state
slurm_runner  the loop with array jobs in the place of slots
status_table  the studies as a table or JSON, from their logs
"""
