// Sets of genes that were loaded from GMT files, with their genes.
// columns: gene, set, label, collection
MATCH (g:Gene)-[:MEMBER_OF]->(s:GeneSet)
RETURN g.id AS gene, s.id AS set, s.name AS label, s.source AS collection
