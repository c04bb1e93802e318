// The relations between terms of one namespace of the Gene Ontology.
// relations is a list of is_a, part_of, regulates, positively_regulates and negatively_regulates.
// parameters: namespace, relations
// columns: child, parent, relation
MATCH (c:Term)-[:IS_A]->(p:Term)
WHERE 'is_a' IN $relations AND c.namespace = $namespace AND p.namespace = $namespace
RETURN c.id AS child, p.id AS parent, 'is_a' AS relation
UNION ALL
MATCH (c:Term)-[:PART_OF]->(p:Term)
WHERE 'part_of' IN $relations AND c.namespace = $namespace AND p.namespace = $namespace
RETURN c.id AS child, p.id AS parent, 'part_of' AS relation
UNION ALL
MATCH (c:Term)-[:REGULATES]->(p:Term)
WHERE 'regulates' IN $relations AND c.namespace = $namespace AND p.namespace = $namespace
RETURN c.id AS child, p.id AS parent, 'regulates' AS relation
UNION ALL
MATCH (c:Term)-[:POSITIVELY_REGULATES]->(p:Term)
WHERE 'positively_regulates' IN $relations AND c.namespace = $namespace AND p.namespace = $namespace
RETURN c.id AS child, p.id AS parent, 'positively_regulates' AS relation
UNION ALL
MATCH (c:Term)-[:NEGATIVELY_REGULATES]->(p:Term)
WHERE 'negatively_regulates' IN $relations AND c.namespace = $namespace AND p.namespace = $namespace
RETURN c.id AS child, p.id AS parent, 'negatively_regulates' AS relation
