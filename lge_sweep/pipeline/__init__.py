"""Pipeline: phases 3 and 4. Noun `TwoStage`, verbs `fit_two_stage`, `evaluate_once`.

The verbs are in the modules `fit` and `evaluate`.
"""
