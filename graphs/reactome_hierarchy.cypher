// The hierarchy of pathways.
// columns: child, parent, relation
MATCH (c:Pathway)-[:SUBPATHWAY_OF]->(p:Pathway)
RETURN c.id AS child, p.id AS parent, 'subpathway_of' AS relation
