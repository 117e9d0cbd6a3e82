<?php
// Tells what PHP made of the request: $_POST for a form, else the body as
// JSON. Objects stay objects, so that {} does not turn into [].
$type = $_SERVER['CONTENT_TYPE'] ?? '';
$tree = str_starts_with($type, 'application/x-www-form-urlencoded')
    ? (object) $_POST
    : json_decode(file_get_contents('php://input'), false, 64, JSON_THROW_ON_ERROR);
header('Content-Type: application/json');
echo json_encode($tree, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION);
