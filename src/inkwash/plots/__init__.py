"""Plotting utilities for views, reports and races: a style, marks, scales, sheets of axes, and SVG.

matplotlib is imported on first use.
"""
