// Pairs of genes whose proteins take part in the same pathways, out of some, and in how many; each pair once.
// Two MATCH clauses: as one pattern, Ladybug 0.22 loses pairs.
// parameters: pathways
// columns: gene, other, shared
MATCH (g:Gene)-[:ENCODES]->(:Protein)-[:PARTICIPATES_IN]->(p:Pathway)
WHERE p.id IN $pathways
WITH DISTINCT g, p
MATCH (h:Gene)-[:ENCODES]->(:Protein)-[:PARTICIPATES_IN]->(p)
WHERE g.id < h.id
RETURN g.id AS gene, h.id AS other, count(DISTINCT p.id) AS shared
