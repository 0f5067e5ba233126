"""The zip engine: what a zip holds, whether it may, and its extraction. It knows nothing of jobs."""
