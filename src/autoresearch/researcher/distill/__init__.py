"""The morning after: which of the night's kept edits are real, measured with fresh seeds."""
