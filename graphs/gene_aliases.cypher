// Every gene with its previous symbols and synonyms, one a row.
// columns: gene, alias
MATCH (a:Alias)-[:ALIAS_OF]->(g:Gene)
RETURN g.id AS gene, a.id AS alias
