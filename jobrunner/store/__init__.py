"""The edge to the database: rows become domain values here, and the domain never learns about SQL."""
