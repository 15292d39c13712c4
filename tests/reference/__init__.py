"""Slow scalar oracle of ISL: plain loops that the fast code must agree with.

Written from the description of the method alone and sharing no code with the
library, so that one misreading cannot hide in both. Values keep the dtype of
the inputs and can be differentiated wherever the method differentiates.

Source for all modules: Wang et al., "Instance Similarity Learning for
Unsupervised Feature Representation", ICCV 2021, and the authors' released
code; each module names its part.
"""
