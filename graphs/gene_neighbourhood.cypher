// The interactions of the proteins of some genes, with at least a score, and the genes at the other end.
// parameters: genes, min_score
// columns: gene, other, score
MATCH (g:Gene)-[:ENCODES]->(:Protein)-[i:INTERACTS_WITH]-(:Protein)<-[:ENCODES]-(h:Gene)
WHERE g.id IN $genes AND i.score >= $min_score AND g.id <> h.id
RETURN g.id AS gene, h.id AS other, max(i.score) AS score
