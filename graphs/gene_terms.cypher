// The terms of the Gene Ontology that one gene, given by its symbol, is annotated to directly.
// parameters: symbol
// columns: term, label, namespace, evidence
MATCH (g:Gene)-[a:ANNOTATED_TO]->(t:Term)
WHERE g.symbol = $symbol
RETURN DISTINCT t.id AS term, t.name AS label, t.namespace AS namespace, a.evidence AS evidence
