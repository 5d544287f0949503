"""Scaling laws from logs alone: how the best loss falls with the size of the model.

sizes           parameters in three conventions, compute and time of a trial
cells           the best trial of each study, and which studies do not qualify
fit             curves through points
law             exponents with their intervals, by bootstrap; refusals
learning_rate   the optimum per budget
held_out        the largest budget, predicted from the others
bet             a prediction that is kept in a file
transfer        the best settings of one budget at another
next_runs       which budgets narrow the interval most
sentences       everything of a report in words and tables
text, pictures  the report for a terminal and in pictures
"""
