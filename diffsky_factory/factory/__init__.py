"""Lazy assembly: recipes, mocks, builds."""
