// Interactions of proteins with at least a score (STRING: 0 to 1000), each once.
// parameters: min_score
// columns: protein, other, score
MATCH (a:Protein)-[i:INTERACTS_WITH]->(b:Protein)
WHERE i.score >= $min_score
RETURN a.id AS protein, b.id AS other, i.score AS score
