-- Another part brings this one.
SELECT 1;
