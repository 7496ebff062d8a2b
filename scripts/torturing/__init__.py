"""Faults that are caused for real, many times over, and what must hold after each.

Each rig is a function ``run`` that takes a bench and returns a row of the table.
"""
