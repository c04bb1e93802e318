// The genes annotated directly to one term of the Gene Ontology, given by its id.
// parameters: term
// columns: gene, symbol, name, evidence
MATCH (g:Gene)-[a:ANNOTATED_TO]->(t:Term)
WHERE t.id = $term
RETURN DISTINCT g.id AS gene, g.symbol AS symbol, g.name AS name, a.evidence AS evidence
