"""Evaluation: generate summaries of held-out documents, score them, compare runs, find the front, report.

held_out       a model's summaries of held-out documents, written and scored
scores         one summary to numbers, many to means and intervals
bert_score     summaries against references by their tokens' embeddings
bert_backbone  which encoder, layer and baseline that takes
resampling     bootstrap intervals of means, permutation tests of differences
comparison     two evaluations against each other, document by document
front          which runs nothing beats, and how much they beat in all
results        what a run left behind, read and checked
tradeoffs      the runs of a sweep set against each other, in words
figure         the front as a picture
page           the front as one self-contained web page
report         the table, and everything above written to a folder

Evaluation never trains and never changes a run's weights.
"""
