// The terms of one namespace of the Gene Ontology.
// parameters: namespace
// columns: id, label
MATCH (t:Term)
WHERE t.namespace = $namespace
RETURN t.id AS id, t.name AS label
