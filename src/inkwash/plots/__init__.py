"""What the figures of views, reports and races are drawn with: a style, marks, scales, sheets of axes, and SVG.

matplotlib is imported by a call that draws, and not before.
"""
