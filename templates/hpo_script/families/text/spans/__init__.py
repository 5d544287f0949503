"""Spans: where in a text is the answer to a question?"""
