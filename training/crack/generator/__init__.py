"""Photographs of surfaces with and without cracks, made by a program: the same seed gives the same photograph.

A sample is built as the real thing is: a surface with its joints, cracks in it, what lies on it or was painted on it,
the light, and a camera. ``sample`` draws the kind of each at random; a third of the samples have no crack. ``mixed``
puts the same things on real photographs.
"""

from training.crack.generator.samples import Sample, mixed, sample

__all__ = ["Sample", "mixed", "sample"]
