// Direct annotations of genes to the terms of one namespace of the Gene Ontology.
// evidence_excluded is a list of evidence codes, such as ND or IEA.
// parameters: namespace, evidence_excluded
// columns: gene, term, evidence
MATCH (g:Gene)-[a:ANNOTATED_TO]->(t:Term)
WHERE t.namespace = $namespace AND NOT a.evidence IN $evidence_excluded
RETURN DISTINCT g.id AS gene, t.id AS term, a.evidence AS evidence
