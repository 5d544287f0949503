"""Reports on studies from their logs: text for a terminal, one page in HTML, pictures in PNG.

Everything is made from recovered trials; the text needs neither plotly nor Optuna.
"""
