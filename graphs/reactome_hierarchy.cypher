// The hierarchy of Reactome's pathways.
// columns: child, parent, relation
MATCH (c:Pathway)-[:SUBPATHWAY_OF]->(p:Pathway)
WHERE c.source = 'reactome' AND p.source = 'reactome'
RETURN c.id AS child, p.id AS parent, 'subpathway_of' AS relation
