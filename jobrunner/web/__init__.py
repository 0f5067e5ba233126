"""The dashboard: what `status`, `show`, `logs` and `explain` say, as pages that are served to a browser."""
