// Pairs of genes whose proteins take part in the same pathways, out of some, and in how many; each pair once.
// parameters: pathways
// columns: gene, other, shared
MATCH (g:Gene)-[:ENCODES]->(:Protein)-[:PARTICIPATES_IN]->(p:Pathway)<-[:PARTICIPATES_IN]-(:Protein)<-[:ENCODES]-(h:Gene)
WHERE p.id IN $pathways AND g.id < h.id
RETURN g.id AS gene, h.id AS other, count(DISTINCT p.id) AS shared
