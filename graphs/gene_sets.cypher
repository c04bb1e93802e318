// Sets of genes that were loaded from GMT files, with their genes.
// columns: gene, term, label, collection
MATCH (g:Gene)-[:MEMBER_OF]->(s:GeneSet)
RETURN g.id AS gene, s.id AS term, s.name AS label, s.source AS collection
